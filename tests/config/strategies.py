"""Values that a config may hold by mistake."""

from hypothesis import strategies as st

NAMES = ["python-docs", "python-source", "bpe-2k", "bpe-4k", "mini", "mini/d64", "mini/d8", "cuda"]
likely = st.integers(0, 9) | st.sampled_from(NAMES) | st.lists(st.integers(1, 6) | st.sampled_from(NAMES), max_size=3)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["all", "local", "train", "hub"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
