"""Pure values and laws: no clock, no file, no SQL."""
