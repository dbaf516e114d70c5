"""Many processes as one job: started (``launched``), joined (``group``), ended (``signals``)."""
