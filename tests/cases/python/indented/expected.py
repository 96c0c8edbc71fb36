def load(path, read, parse, lock):
    with lock:
        data = read(path)
        return parse(data, path)
