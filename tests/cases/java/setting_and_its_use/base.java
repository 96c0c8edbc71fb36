package client;

import java.time.Duration;

final class Settings {
    private final String host;
    private final Duration timeout;

    Settings(String host, Duration timeout) {
        this.host = host;
        this.timeout = timeout;
    }

    String host() {
        return host;
    }

    Duration timeout() {
        return timeout;
    }

    static Settings defaults() {
        return new Settings("localhost", Duration.ofSeconds(10));
    }
}
