"""The money trail: owners see their own part of it, admins all."""

from domain import trail
from domain.trail import Subject, Trail
from resolvers.context import Context, Viewer


async def money_trail(context: Context, identifier: str) -> Trail | None:
    """Of an operation of ours or a thing at Stripe; None when it is not there or not the viewer's.

    Raises Unauthenticated.
    """
    viewer = context.require()
    found = await trail.subjects_of(identifier)
    visible = [subject for subject in found if await _may_see(context, viewer, subject)]
    if not visible:
        return None
    person = None if viewer.is_admin else viewer.id
    return await trail.trail_of(context.runtime, visible, person=person)


def sees_books(context: Context) -> bool:
    """Whether the viewer may see the journal's entries, and Stripe's balance."""
    return context.viewer is not None and context.viewer.is_admin


async def _may_see(context: Context, viewer: Viewer, subject: Subject) -> bool:
    """What nothing of ours caused is for those who look after the books."""
    if trail.is_ours(subject.operation):
        return await context.find_operation(subject.operation) is not None
    return viewer.is_admin
