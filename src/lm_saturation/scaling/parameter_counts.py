"""Ways to count N: whether small models lie above the law depends on it."""

import pandas as pd

COUNTS = ["nominal", "total", "non_embedding_and_head", "non_embedding"]


def parameters(frame: pd.DataFrame, count: str) -> pd.Series:
    """N of each row, by one of COUNTS.

    nominal                 the size in the model's name, as the paper counts [I]; total where a model has no such name
    total                   all parameters, tied ones once
    non_embedding_and_head  without the input embedding
    non_embedding           without embedding and LM head (Kaplan et al. 2020)
    """
    if count == "nominal":
        return frame.nominal_parameters
    if count == "total":
        return frame.parameters
    return frame.non_embedding_parameters + (frame.head_parameters if count == "non_embedding_and_head" else 0)
