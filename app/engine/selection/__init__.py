"""Which items a request may be answered with: filters, facets, orders, groups, and the columns behind them."""
