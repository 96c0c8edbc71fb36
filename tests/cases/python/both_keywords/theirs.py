def read(path):
    with open(path, newline="") as file:
        return file.read()
