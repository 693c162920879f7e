"""What the bytes of ``.scap`` captures and of their pcapng export mean, as declarations and tables.

Every layout is written down once, in a Construct schema; numpy dtypes are derived from the same schemas. Modules
are imported by name (``scap_formats.blocks``, ``scap_formats.table``, ...): this one stays empty, so that reading
the event table does not cost the import of Construct or numpy.
"""

from __future__ import annotations
