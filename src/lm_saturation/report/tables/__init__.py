"""The tables for people, results/tables/*.csv, from those of the stages: a module per table."""
