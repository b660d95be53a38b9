"""What is measured. A row is a function of a Stand that returns its figures."""
