"""Language models: how probable is a sentence, what comes next? n-gram and recurrent, under one interface."""
