"""crm doctor: is this installation well, and if not, what is to be done."""
