namespace KestrelEventLoopTransport.Tests.States;

/// <summary>Every interleaving of the threads around one connection's output.</summary>
public class OutputStateInterleavingTests
{
    [Fact]
    public void A_writer_and_the_loop()
        => Explore(new OutputStateModel());

    [Fact]
    public void A_writer_that_completes()
        => Explore(new OutputStateModel { Completes = true });

    [Fact]
    public void A_writer_that_finishes()
    {
        Explore(new OutputStateModel { Finishes = true });
        Explore(new OutputStateModel { Finishes = true, Writes = 0 });
        Explore(new OutputStateModel { Finishes = true, Awaits = false, Reads = 2 });
        Explore(new OutputStateModel { Finishes = true, Completes = true, Writes = 2 });
    }

    [Fact]
    public void A_writer_that_finishes_and_whose_peer_disappears()
        => Explore(new OutputStateModel { Finishes = true, Completes = true, Fails = true, Writes = 2 });

    [Fact]
    public void A_writer_that_finishes_and_a_closing_thread()
        => Explore(new OutputStateModel { Finishes = true, Completes = true, Stops = true, Writes = 2 });

    [Fact]
    public void A_writer_that_finishes_in_a_dispatch_or_behind_a_fault()
    {
        Explore(new OutputStateModel { Finishes = true, Dispatches = true, Queues = true, Writes = 2 });
        Explore(new OutputStateModel { Finishes = true, Faults = 2, Writes = 2 });
    }

    [Fact]
    public void A_writer_that_does_not_await_its_flushes()
        => Explore(new OutputStateModel { Completes = true, Awaits = false });

    [Fact]
    public void A_writer_whose_peer_stops_reading()
    {
        Explore(new OutputStateModel { Reads = 1 });
        Explore(new OutputStateModel { Reads = 2, Writes = 4 });
    }

    [Fact]
    public void A_writer_whose_peer_disappears()
        => Explore(new OutputStateModel { Completes = true, Fails = true });

    [Fact]
    public void A_writer_and_a_closing_thread()
        => Explore(new OutputStateModel { Stops = true });

    [Fact]
    public void A_writer_that_completes_and_a_closing_thread()
        => Explore(new OutputStateModel { Completes = true, Stops = true, Fails = true, Writes = 2 });

    [Fact]
    public void A_writer_in_a_dispatch_that_becomes_overdue()
        => Explore(new OutputStateModel { Completes = true, Dispatches = true, Queues = true, Writes = 2 });

    [Fact]
    public void A_writer_that_queues_and_a_closing_thread()
        => Explore(new OutputStateModel { Completes = true, Queues = true, Stops = true, Writes = 2 });

    [Fact]
    public void A_writer_a_canceling_thread_and_a_closing_thread()
        => Explore(new OutputStateModel { Cancels = true, Stops = true });

    [Fact]
    public void A_sender_that_is_out_of_budget_or_memory()
        => Explore(new OutputStateModel { Completes = true, Faults = 2, Writes = 2 });

    [Fact]
    public void A_sender_that_is_out_of_memory_and_a_closing_thread()
        => Explore(new OutputStateModel { Completes = true, Stops = true, Faults = 1, Writes = 2 });

    [Fact]
    public void A_writer_whose_deadline_passes()
    {
        Explore(new OutputStateModel { Expires = true });
        Explore(new OutputStateModel { Expires = true, Reads = 1 });
        Explore(new OutputStateModel { Expires = true, Completes = true, Writes = 2 });
    }

    [Fact]
    public void A_writer_whose_deadline_passes_and_is_moved()
    {
        Explore(new OutputStateModel { Expires = true, Revives = true });
        Explore(new OutputStateModel { Expires = true, Revives = true, Reads = 2, Writes = 4 });
    }

    [Fact]
    public void A_writer_whose_deadline_passes_and_a_canceling_thread()
        => Explore(new OutputStateModel { Expires = true, Revives = true, Cancels = true });

    [Fact]
    public void A_writer_whose_deadline_passes_and_a_closing_thread()
        => Explore(new OutputStateModel { Expires = true, Revives = true, Stops = true });

    [Fact]
    public void A_writer_whose_deadline_passes_and_whose_peer_disappears()
        => Explore(new OutputStateModel { Expires = true, Revives = true, Completes = true, Fails = true, Writes = 2 });

    private static void Explore(OutputStateModel model)
    {
        var states = model.Explore();

        TestContext.Current.TestOutputHelper?.WriteLine($"{states.Count} states");
        Assert.NotEmpty(states);
    }
}
