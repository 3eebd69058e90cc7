"""What a run gives back: values, errors, timings."""
