"""Where the documents of a corpus come from: one class per source.

A new source is a subclass of CorpusSource in a file beside these, and its place in SOURCES.
"""

from lm_saturation.text.sources.base import CorpusSource
from lm_saturation.text.sources.hub import Hub
from lm_saturation.text.sources.local import Local
from lm_saturation.text.sources.python_library import PythonDocs, PythonSource
from lm_saturation.text.sources.synthetic import Synthetic

SOURCES: tuple[type[CorpusSource], ...] = (PythonDocs, PythonSource, Synthetic, Local, Hub)
