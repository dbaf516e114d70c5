"""What words of a command line mean: files, folders, films, COCO files."""

import threading

import cv2
import numpy as np
import pytest
from detection.detector_cases import write_set
from toy_films import destroy_frames, write_film
from toy_people import picture, write_picture

from posekit.detection.pictures import Picture, ahead, batches, list_pictures
from posekit.errors import DataError


def ids(listed):
    return [(p.image_id, p.name) for p in listed.pictures]


def test_a_folder_of_numbered_files(tmp_path):
    write_set(tmp_path)
    listed = list_pictures([str(tmp_path / "images")])
    assert ids(listed) == [(n, f"{n:012d}.png") for n in (3, 7, 9)]
    assert (listed.count, listed.ann_file, listed.category_id) == (3, None, 1)


def test_names_that_are_no_numbers_are_counted(tmp_path):
    for name in ("b.png", "a.jpg", "7.png"):
        write_picture(tmp_path / name, picture(8, 8))
    (tmp_path / "notes.txt").write_text("x")
    with pytest.warns(UserWarning, match=r"left out: 1 file that is no picture: notes\.txt"):
        listed = list_pictures([str(tmp_path)])
    assert ids(listed) == [(0, "7.png"), (1, "a.jpg"), (2, "b.png")]
    listed = list_pictures([str(tmp_path / "b.png"), str(tmp_path / "a.jpg"), str(tmp_path / "b.png")])
    assert ids(listed) == [(0, "b.png"), (1, "a.jpg")]


def test_a_coco_file_gives_its_own_ids(tmp_path):
    path = write_set(tmp_path)
    listed = list_pictures([str(path)], str(tmp_path / "images"))
    assert ids(listed) == [(n, f"{n:012d}.png") for n in (7, 3, 9)]
    assert listed.ann_file == str(path)
    assert [p.load().shape for p in listed.pictures] == [(64, 96, 3), (80, 64, 3), (64, 64, 3)]


def test_every_second_frame_of_a_film(tmp_path):
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 24))
    for level in range(5):
        writer.write(np.full((24, 32, 3), 40 * level, np.uint8))
    writer.release()
    listed = list_pictures([str(path)], every=2)
    assert listed.count == 3
    frames = list(listed.pictures)
    assert [(f.image_id, f.name) for f in frames] == [(n, f"film_{n:06d}.jpg") for n in (0, 2, 4)]
    assert [round(float(f.load().mean()), -1) for f in frames] == [0, 80, 160]
    assert not listed.problems


def test_frames_of_a_damaged_film_keep_their_numbers(tmp_path):
    whole = write_film(tmp_path / "whole.avi", range(30), codec="mjpeg")
    listed = list_pictures([str(destroy_frames(whole, range(10, 13), tmp_path / "film.avi"))], every=4)
    frames = list(listed.pictures)
    assert [frame.image_id for frame in frames] == [0, 4, 8, 16, 20, 24, 28]
    np.testing.assert_allclose(
        [frame.time for frame in frames], np.array([0, 4, 8, 16, 20, 24, 28]) / 30, atol=1e-6
    )
    assert "27 of 30 frames could be read" in listed.problems[0]


def test_a_photo_is_turned_as_its_exif_says(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(20, 40)).save(tmp_path / "turned.jpg", exif=exif)
    (photo,) = list_pictures([str(tmp_path)]).pictures
    assert photo.load().shape == (40, 20, 3)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        list_pictures([str(tmp_path / "gone")])
    with pytest.raises(DataError, match="no images there"):
        list_pictures([str(tmp_path)])
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"a\.txt: expected an image"):
        list_pictures([str(tmp_path / "a.txt")])
    path = write_set(tmp_path)
    with pytest.raises(DataError, match="nowhere: image folder not found"):
        list_pictures([str(path)], str(tmp_path / "nowhere"))


def test_reading_ahead_keeps_order_and_faults(tmp_path):
    write_set(tmp_path)
    (tmp_path / "images" / "000000000007.png").write_bytes(b"damaged")
    listed = list_pictures([str(tmp_path / "images")])
    first, second = batches(ahead(listed.pictures, 4), 2)
    assert [picture.image_id for picture, _ in (*first, *second)] == [3, 7, 9]
    assert isinstance(first[1][1], DataError)
    assert [image.shape for image in (first[0][1], second[0][1])] == [(80, 64, 3), (64, 64, 3)]


def test_reading_ahead_is_bounded():
    asked = []

    def pictures():
        for number in range(100):
            asked.append(number)
            yield Picture(str(number), number, "", lambda number=number: np.full((1, 1, 3), number, np.uint8))

    results = ahead(pictures(), depth=2)
    assert [next(results)[1].max() for _ in range(3)] == [0, 1, 2]
    assert asked == [0, 1, 2, 3, 4]
    results.close()


def test_pictures_are_decoded_by_several_threads():
    """Two that wait for each other: one thread would wait for ever."""
    barrier = threading.Barrier(2, timeout=30)

    def load():
        barrier.wait()
        return np.zeros((1, 1, 3), np.uint8)

    read = list(ahead([Picture(str(i), i, "", load) for i in range(2)], depth=2))
    assert [picture.image_id for picture, _ in read] == [0, 1]


def test_images_are_known_by_their_content_where_the_name_does_not_say(tmp_path):
    path = write_set(tmp_path).parent / "images" / "000000000003.png"
    path.rename(tmp_path / "photo.jfif")
    (photo,) = list_pictures([str(tmp_path / "photo.jfif")]).pictures
    assert photo.load().shape == (80, 64, 3)


def test_an_empty_word_is_not_the_current_folder():
    with pytest.raises(DataError, match="'': no such file"):
        list_pictures([""])
