"""What a request may hold, and how it is told: limits, bodies as items, the OpenAPI document."""
