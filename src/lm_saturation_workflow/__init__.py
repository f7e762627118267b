"""What the Snakefile, its rules and its tools use; the library knows nothing of Snakemake."""
