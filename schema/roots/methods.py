"""Saved cards."""

import strawberry

import resolvers.methods
from schema.methods import CreateSetupIntentPayload, PaymentMethod, PaymentMethodInput, PaymentMethodPayload
from schema.shared import Info, answered


@strawberry.type
class MethodQueries:
    @strawberry.field(
        description="The viewer's saved cards, newest first: as Stripe has them, or, while it cannot be "
        "reached, as they were last seen."
    )
    async def payment_methods(self, info: Info) -> list[PaymentMethod]:
        return [PaymentMethod.of(saved) for saved in await resolvers.methods.all_own(info.context)]


@strawberry.type
class MethodMutations:
    @strawberry.mutation(description="Begin saving a card. Each call may make another intent; none charges.")
    async def create_setup_intent(self, info: Info) -> CreateSetupIntentPayload:
        return await answered(CreateSetupIntentPayload, resolvers.methods.create_setup_intent(info.context))

    @strawberry.mutation(description="Charge this card unless another is named.")
    async def set_default_payment_method(self, info: Info, input: PaymentMethodInput) -> PaymentMethodPayload:
        return await answered(PaymentMethodPayload, resolvers.methods.set_default(info.context, input.id))

    @strawberry.mutation(description="Forget this card, for ever: it can never be charged again.")
    async def remove_payment_method(self, info: Info, input: PaymentMethodInput) -> PaymentMethodPayload:
        return await answered(PaymentMethodPayload, resolvers.methods.remove(info.context, input.id))
