"""The two tables of the key store, the same on SQLite and PostgreSQL."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, MetaData, String, Table, Text

metadata = MetaData()

# Instants are microseconds since 1970 in 64 bits: one meaning on both databases, exact to compare and to sort.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("tenant", String(253), nullable=False),
    Column("username", Text, nullable=False),
    Column("user_groups", Text, nullable=False),
    Column("subscription", String(253), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("ephemeral", Boolean, nullable=False),
    Column("status", String(8), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=True),
    Column("last_used_at", BigInteger, nullable=True),
    Index("api_keys_by_owner", "tenant", "username", "created_at"),
    Index("api_keys_by_subscription", "tenant", "subscription"),
)

# Labels stand in rows of their own, so that a search for several of them is plain SQL on both databases.
api_key_labels = Table(
    "api_key_labels",
    metadata,
    Column("key_id", String(36), ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True),
    Column("label", String(128), primary_key=True),
    Column("value", Text, nullable=False),
)
