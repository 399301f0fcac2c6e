"""Who exists from the start. None of them holds money."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class DemoPerson:
    """`role` is a value of the product's Role; the product is not imported for it, that takes a second."""

    email: str
    display_name: str
    role: str


PEOPLE: Final[Mapping[str, DemoPerson]] = {
    "admin": DemoPerson("admin@example.com", "Edith the Admin", "ADMIN"),
    "second_admin": DemoPerson("second.admin@example.com", "Joan the Second Admin", "ADMIN"),
    "customer": DemoPerson("ada@example.com", "Ada the Customer", "CUSTOMER"),
    "contractor": DemoPerson("grace@example.com", "Grace the Contractor", "CONTRACTOR"),
}
