std::vector<std::size_t> lengths(std::vector<std::string> words);

int widest(std::vector<int> sizes);
