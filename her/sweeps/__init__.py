"""Sweeps: what to run (`grid`), running it (`running`), its tables (`tables`), and what they say (`statistics`)."""
