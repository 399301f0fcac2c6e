"""Saved cards, as their owner sees them."""

import strawberry

from domain.methods import SavedMethod
from schema.shared import Node, UserError


@strawberry.type(description="A saved card, or what else Stripe can save. Only its owner sees it.")
class PaymentMethod(Node):
    type: str = strawberry.field(description="Stripe's word for what it is, e.g. `card`.")
    brand: str | None = strawberry.field(description="A card's brand, in Stripe's spelling, e.g. `visa`.")
    last4: str | None = strawberry.field(description="The last four digits of its number.")
    exp_month: int | None = strawberry.field(description="The month in which a card expires, 1 to 12.")
    exp_year: int | None = strawberry.field(description="The year in which a card expires, e.g. 2030.")
    is_default: bool = strawberry.field(description="Whether it is charged unless another is named.")

    @classmethod
    def of(cls, saved: SavedMethod) -> "PaymentMethod":
        method = saved.method
        return cls(
            id=strawberry.ID(method.id),
            type=method.type,
            brand=method.brand,
            last4=method.last4,
            exp_month=method.exp_month,
            exp_year=method.exp_year,
            is_default=saved.is_default,
        )


@strawberry.type(description="Stripe's leave to save a card.")
class SetupIntent:
    client_secret: str = strawberry.field(description="For Stripe.js, which asks for the card and saves it.")


@strawberry.type(description="The setup intent, or why there is none. Asking again makes a new one.")
class CreateSetupIntentPayload:
    setup_intent: SetupIntent | None = strawberry.field(
        default=None, description="Null when nothing was made."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, client_secret: str) -> "CreateSetupIntentPayload":
        return cls(setup_intent=SetupIntent(client_secret=client_secret))


@strawberry.input(description="One of the viewer's saved cards.")
class PaymentMethodInput:
    id: strawberry.ID = strawberry.field(description="The card's id, pmt_....")


@strawberry.type(description="The card as it is now, or why nothing was done. Asking again does no harm.")
class PaymentMethodPayload:
    payment_method: PaymentMethod | None = strawberry.field(
        default=None, description="Null when nothing was done; on its removal, the last of it."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, saved: SavedMethod) -> "PaymentMethodPayload":
        return cls(payment_method=PaymentMethod.of(saved))
