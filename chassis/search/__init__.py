"""Search for fragments of Chinese and Latin texts, pinyin and telephone numbers, by index."""
