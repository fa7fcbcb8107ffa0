"""One module per defect, named after what the platform does wrong: started in a component's place, and that component but for one seam."""
