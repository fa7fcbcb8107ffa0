"""What a check works with: a world of its own, callers in it, controls and expectations, budgets, books and clocks."""
