"""Judge a kernel: cases, verdict, properties, subjects, report."""
