"""Files and data sets on their way in: tables, encodings, the catalogue, splits."""
