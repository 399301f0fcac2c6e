"""A replica set of one node, which transactions and change streams need."""

from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

NOT_YET_INITIALIZED: Final = 94
INVALID_REPLICA_SET_CONFIG: Final = 93
ANSWER_MS_MAX: Final = 1000


def become_primary(name: str, host: str) -> bool:
    """Make the node at `host` the primary of the set, also when its data remembers another port.

    False while it is not there yet: ask again.
    """
    try:
        with MongoClient[dict[str, Any]](
            host, directConnection=True, serverSelectionTimeoutMS=ANSWER_MS_MAX
        ) as client:
            if client.admin.command("hello").get("setName") is None:
                _configure(client, name, host)
            return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False


def _configure(client: MongoClient[dict[str, Any]], name: str, host: str) -> None:
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as refusal:
        if refusal.code == NOT_YET_INITIALIZED:
            config: dict[str, Any] = {"_id": name, "members": [{"_id": 0, "host": host}]}
            client.admin.command("replSetInitiate", config)
        elif refusal.code == INVALID_REPLICA_SET_CONFIG:  # the port in there is not ours
            config = client.admin.command("replSetGetConfig")["config"]
            config["members"][0]["host"] = host
            client.admin.command("replSetReconfig", config, force=True)
