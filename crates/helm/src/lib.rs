//! Charts, values, rendering and release records as Helm makes them.
