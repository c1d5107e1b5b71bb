"""int8 beside float: one step, bytes, accuracy."""
