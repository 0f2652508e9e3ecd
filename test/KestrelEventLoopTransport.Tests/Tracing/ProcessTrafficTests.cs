using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Tests.Tracing;

[FailsOnStock("Counters of ours.")]
public sealed class ProcessTrafficTests
{
    private readonly ProcessTraffic _traffic = new();
    private readonly Source _source = new();
    private long _now;

    public ProcessTrafficTests() => _traffic.Add(_source);

    [Fact]
    public void Open_and_ended_sockets_count()
    {
        _source.Open = new Traffic(1, 2, 3, 4);
        _traffic.OnEnded(new Traffic(10, 20, 30, 40));
        _traffic.OnEnded(new Traffic(100, 200, 300, 400));

        Assert.Equal(new Traffic(111, 222, 333, 444), Read());
    }

    [Fact]
    public void A_socket_that_ends_while_it_is_counted_is_not_there_twice()
    {
        _source.Open = new Traffic(5, 5);
        Assert.Equal(new Traffic(5, 5), Read());
        _source.OnRead = () =>
        {
            _source.Open = default;
            _traffic.OnEnded(new Traffic(7, 5));
        };

        Assert.Equal(new Traffic(5, 5), Read());
        Assert.Equal(new Traffic(7, 5), Read());
    }

    [Fact]
    public void A_source_that_has_ended_is_not_asked()
    {
        _source.Open = new Traffic(5, 5);
        _traffic.Remove(_source);

        Assert.Equal(default, Read());
    }

    [Fact]
    public void Counters_that_are_read_together_look_at_the_sockets_once()
    {
        var reads = 0;
        _source.OnRead = () => reads++;

        _traffic.Read(1000);
        _traffic.Read(1099);
        Assert.Equal(1, reads);

        _traffic.Read(1100);
        Assert.Equal(2, reads);
    }

    private Traffic Read() => _traffic.Read(_now += 1000);

    private sealed class Source : ITrafficSource
    {
        public Traffic Open { get; set; }

        public Action? OnRead { get; set; }

        public Traffic ReadOpen()
        {
            OnRead?.Invoke();
            return Open;
        }
    }
}
