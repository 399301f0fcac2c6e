"""What stops a run and what a person can mend."""


class RunError(Exception):
    """Shown as its sentence, without a traceback. Its heirs stand where they are raised."""
