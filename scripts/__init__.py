"""Why small language models saturate: the code behind every rule of the workflow, one folder a stage."""
