"""How numbers read in figures and on the page."""


def short_number(value: float) -> str:
    """1500 as 1.5k, 2e6 as 2M."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
