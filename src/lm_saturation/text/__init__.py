"""Text: corpora, tokenizers, token files, and the documents that are held out."""
