"""Photos -> padded crops of their people, a COCO-form set that is read in a fraction of the time."""
