"""The one error that is a user's to mend."""


class InputError(Exception):
    """Something a user gave is wrong. The message is one line: what, where, what is allowed."""
