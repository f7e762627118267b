"""The one error that is a user's to mend, and what several places say of the same."""


class InputError(Exception):
    """Something a user gave is wrong. The message is one line: what, where, what is allowed."""


def no_gpu(*keys: str) -> InputError:
    """What to raise where these keys of the config ask for a GPU and there is none."""
    names = ", ".join(keys) + (" is" if len(keys) == 1 else " are")
    return InputError(f"{names} cuda, but there is no GPU here that PyTorch can use; allowed here is cpu")
