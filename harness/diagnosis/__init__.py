"""What a person does by hand when a model cannot be used, as steps that end at the first thing that is wrong."""
