"""DeepDetect's data and predictions as values: what stands in the bodies of its /predict."""
