"""Files: tables, checksums, atomic writes, the hub, the log of a job."""
