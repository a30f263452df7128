"""Alembic's entry: runs on the connection and in the transaction of ``node.tracking.migrate``."""

from alembic import context

from node.tracking.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,
)
context.run_migrations()
