"""
Brightness and contrast
=======================

What normalization does to a picture can be seen: the mean is its brightness, the standard
deviation its contrast. These are handwritten digits of MNIST, from ``examples/data``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import numbanorm as nbn

path = Path(sys.argv[0]).resolve().parents[2] / "examples" / "data" / "mnist10k.npz"
with np.load(path) as data:
    digits = data["images"][:8].astype(np.float32)

# %%
# Eight digits, each photographed with another exposure. `standardize_images` subtracts the mean of
# each image and divides by its standard deviation: what is left is the shape.

contrast = np.array([1.0, 0.8, 0.6, 0.4, 0.25, 0.15, 0.4, 0.7], np.float32)[:, None, None]
brightness = np.array([0, 40, 80, 120, 150, 20, 10, 70], np.float32)[:, None, None]
photos = (contrast * digits + brightness).astype(np.uint8)[..., None]
standardized = nbn.standardize_images(photos)

figure, axes = plt.subplots(2, 8, figsize=(9, 2.9), layout="constrained")
for row, images, limits in zip(axes, (photos, standardized), ((0, 255), (-1, 4))):
    for axis, image in zip(row, images):
        axis.imshow(image[..., 0], cmap="gray", vmin=limits[0], vmax=limits[1])
        axis.set_xlabel(f"{image.mean():z.2f} ± {image.std():.2f}", fontsize=7)
        axis.set(xticks=[], yticks=[])
axes[0, 0].set_title("as they came: mean ± deviation", loc="left", fontsize=10)
axes[1, 0].set_title("standardize_images", loc="left", fontsize=10)

# %%
# A layer puts a brightness and a contrast of its own in their place: it multiplies by gamma
# (``weight``) and adds beta (``bias``), which training finds. All nine pictures have the same grey
# scale, from -2 to 5.

gammas, betas = (0.5, 1.0, 2.0), (-1.0, 0.0, 1.0)
digit = digits[:1, None]

figure, axes = plt.subplots(3, 3, figsize=(5, 5.2), layout="constrained")
for row, beta in zip(axes, betas):
    for axis, gamma in zip(row, gammas):
        weight, bias = np.array([[gamma], [beta]], np.float32)
        y = nbn.instance_norm(digit, weight=weight, bias=bias)
        axis.imshow(y[0, 0], cmap="gray", vmin=-2, vmax=5)
        axis.set_title(f"gamma {gamma:g}, beta {beta:g}", fontsize=9)
        axis.set_axis_off()
