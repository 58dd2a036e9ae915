"""Writers of the sample documents: one module for each output format."""
