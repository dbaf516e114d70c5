"""One's own keypoints: what a data set's labels say of skeleton, sigmas and split."""
