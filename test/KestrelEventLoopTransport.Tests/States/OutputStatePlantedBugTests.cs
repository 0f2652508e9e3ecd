using KestrelEventLoopTransport.Connections.Output;
using static KestrelEventLoopTransport.Connections.Output.OutputFlags;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// The explorer finds bugs in the transitions by what they lead to. The rules of the legal states are not checked here.
/// </summary>
public class OutputStatePlantedBugTests
{
    [Fact]
    public void A_publish_that_does_not_tell_the_sender()
        => Finds(
            "All is sent",
            (name, move) => name == "Publish" ? move with { After = move.After & ~Again } : move);

    [Fact]
    public void An_edge_that_does_not_tell_the_sender()
        => Finds(
            "No flush waits while there is room",
            (name, move) => name == "OnWritable" ? move with { After = move.After & ~Edge } : move);

    [Fact]
    public void A_sender_that_does_not_release_the_flush()
        => Finds(
            "No flush waits while there is room",
            (name, move) => name == "EndSend"
                ? Without(Keeping(move, FlushParked), OutputAction.QueueWork | OutputAction.CompleteFlush)
                : move);

    [Fact]
    public void A_flush_that_stays_parked_when_it_is_released()
        => Finds(
            "A flush is completed twice",
            (name, move) => name == "ReleaseFlush" ? Keeping(move, FlushParked) : move,
            new OutputStateModel { Cancels = true });

    [Fact]
    public void Work_that_leaves_the_flush_ready()
        => Finds(
            "A flush is completed twice",
            (name, move) => name == "TakeWork" ? Keeping(move, FlushReady) : move,
            new OutputStateModel { Cancels = true, Queues = true });

    [Fact]
    public void An_uncork_that_does_not_look_for_deferred_bytes()
        => Finds(
            "Exactly the thread that has set Sending sends",
            (name, move) => name == "Uncork" ? new(move.Before, move.After | Sending, OutputAction.Send) : move,
            new OutputStateModel { Dispatches = true });

    [Fact]
    public void A_sender_that_does_not_release_the_descriptor()
        => Finds(
            "The descriptor is released once",
            (name, move) => name == "EndSend" ? Without(move, OutputAction.ReleaseDescriptor) : move,
            new OutputStateModel { Stops = true });

    [Fact]
    public void A_stop_that_releases_while_another_thread_sends()
        => Finds(
            "A system call uses a descriptor that was released",
            (name, move) => name == "Stop" && Has(move.Before, Sending)
                ? move with { After = move.After | Released, Action = move.Action | OutputAction.ReleaseDescriptor }
                : move,
            new OutputStateModel { Stops = true });

    [Fact]
    public void A_stop_that_forgets_the_parked_flush()
        => Finds(
            "No flush waits while there is room",
            (name, move) => name == "Stop" ? Without(move, OutputAction.ReleaseFlushLater) : move,
            new OutputStateModel { Stops = true });

    [Fact]
    public void A_sender_that_frees_the_chain_of_an_open_writer()
        => Finds(
            "A freed chain is written to",
            (name, move) => name == "EndSend" && Has(move.Before, Open) && !Has(move.After, Sending | Blocked)
                ? move with { After = move.After & ~HasChain, Action = move.Action | OutputAction.FreeChain }
                : move);

    [Fact]
    public void A_sender_out_of_budget_that_queues_no_work()
        => Finds(
            "No flush waits while there is room",
            (name, move) => name == "EndSend" ? Without(move, OutputAction.QueueWork) : move,
            new OutputStateModel { Faults = 1 });

    [Fact]
    public void A_sender_that_does_not_report_the_drain()
        => Finds(
            "A completed writer is drained once",
            (name, move) => name == "EndSend" ? Without(move, OutputAction.ReportDrained) : move,
            new OutputStateModel { Completes = true });

    [Fact]
    public void A_writer_that_does_not_look_for_room_after_it_has_parked()
        => Finds(
            "No flush waits while there is room",
            (_, move) => move,
            new OutputStateModel { Reads = 2, Writes = 4, LooksAgain = false });

    [Fact]
    public void A_writer_that_corks_after_its_dispatch_has_lost_its_loop()
        => Finds(
            "All is sent",
            (_, move) => move,
            new OutputStateModel { Writes = 1, Dispatches = true, LooksForItsLoop = false });

    [Fact]
    public void A_sender_that_reads_the_head_of_the_chain_once()
        => Finds(
            "A chain is freed twice",
            (_, move) => move,
            new OutputStateModel { Stops = true, ReadsHeadAgain = false });

    [Fact]
    public void A_sender_that_does_not_register_the_full_socket_for_output()
        => Finds("No flush waits while there is room", (_, move) => move, new OutputStateModel { Watches = false });

    [Fact]
    public void A_sender_that_registers_the_socket_when_it_is_no_longer_the_sender()
        => Finds(
            "A system call uses a descriptor that was released",
            (_, move) => move,
            new OutputStateModel { Stops = true, WatchesAsSender = false });

    [Fact]
    public void A_kernel_that_does_not_look_for_room_when_a_socket_is_registered_for_output()
        => Finds(
            "No flush waits while there is room",
            (_, move) => move,
            new OutputStateModel { LooksAtRegistration = false });

    [Fact]
    public void A_short_send_to_a_socket_that_is_not_full()
        => Finds("All is sent", (_, move) => move, new OutputStateModel { ShortIsFull = false });

    [Fact]
    public void A_sender_that_takes_a_full_socket_for_an_empty_queue()
        => Finds(
            "All is sent",
            (name, move) => name == "EndSend" && Has(move.After, Blocked)
                ? new(move.Before, move.After & ~(Blocked | HasChain), OutputAction.FreeChain)
                : move);

    [Fact]
    public void A_sender_that_looks_for_bytes_before_it_looks_for_the_end_of_them()
        => Finds(
            "The FIN overtakes bytes",
            (_, move) => move,
            new OutputStateModel { Finishes = true, Awaits = false, LooksForFinFirst = false });

    [Fact]
    public void A_writer_that_finishes_while_another_thread_sends_and_does_not_tell()
        => Finds(
            "The FIN is sent once",
            (name, move) => name == "BeginFinish" && Has(move.Before, Sending)
                ? move with { After = move.Before }
                : move,
            new OutputStateModel { Finishes = true });

    [Fact]
    public void A_writer_that_finishes_an_idle_output_and_sends_nothing()
        => Finds(
            "The FIN is sent once",
            (name, move) => name == "BeginFinish" && !Has(move.Before, Sending)
                ? new(move.Before, move.After & ~Sending)
                : move,
            new OutputStateModel { Finishes = true });

    [Fact]
    public void A_sender_that_stops_before_the_FIN()
        => Finds(
            "The FIN is sent once",
            (name, move) => name == "EndSend" && Has(move.Before, Finishing) && !Has(move.Before, Again | Edge)
                && move.Action == OutputAction.Send
                ? new(
                    move.Before,
                    move.After & ~(Sending | HasChain | Finishing),
                    Has(move.Before, HasChain) ? OutputAction.FreeChain : OutputAction.None)
                : move,
            new OutputStateModel { Finishes = true });

    [Fact]
    public void A_sender_that_finds_the_socket_full_and_forgets_the_FIN()
        => Finds(
            "The FIN is sent once",
            (name, move) => name == "EndSend" && Has(move.After, Blocked)
                ? move with { After = move.After & ~Finishing }
                : move,
            new OutputStateModel { Finishes = true });

    [Fact]
    public void A_sender_that_sends_the_FIN_again()
        => Finds(
            "The connection hears of the FIN once",
            (name, move) => name == "EndSend" && Has(move.After, Finished) && !Has(move.After, Stopped)
                ? move with
                {
                    After = (move.After & ~Finished) | Finishing | Sending,
                    Action = move.Action | OutputAction.Send,
                }
                : move,
            new OutputStateModel { Finishes = true, Stops = true });

    [Fact]
    public void A_sender_that_does_not_tell_of_the_FIN()
        => Finds(
            "The connection hears of the FIN once",
            (name, move) => name == "EndSend" ? Without(move, OutputAction.ReportFinished) : move,
            new OutputStateModel { Finishes = true });

    [Fact]
    public void A_sender_that_sends_the_FIN_and_forgets_the_drain()
        => Finds(
            "A completed writer is drained once",
            (name, move) => name == "EndSend" && Has(move.After, Finished)
                ? Without(move, OutputAction.ReportDrained)
                : move,
            new OutputStateModel { Finishes = true, Completes = true });

    [Fact]
    public void A_deadline_that_leaves_the_flush_parked()
        => Finds(
            "A flush is completed twice",
            (name, move) => name == "Expire" ? Keeping(move, FlushParked) : move,
            new OutputStateModel { Expires = true });

    [Fact]
    public void A_deadline_that_queues_no_work()
        => Finds(
            "No flush waits",
            (name, move) => name == "Expire" ? Without(move, OutputAction.QueueWork) : move,
            new OutputStateModel { Expires = true, Reads = 1 });

    [Fact]
    public void A_deadline_that_leaves_no_reason()
        => Finds(
            "A deadline is forgotten",
            (name, move) => name == "Expire" ? move with { After = move.After & ~FlushTimedOut } : move,
            new OutputStateModel { Expires = true });

    [Fact]
    public void A_deadline_that_is_moved_and_takes_the_reason_of_a_flush()
        => Finds(
            "A deadline is forgotten",
            (name, move) => name == "Revive" ? move with { After = move.After & ~FlushTimedOut } : move,
            new OutputStateModel { Expires = true, Revives = true });

    [Fact]
    public void A_flush_that_parks_after_its_deadline()
        => Finds(
            "No flush waits after its deadline",
            (name, move) => name == "ParkFlush" && Has(move.After & ~move.Before, FlushTimedOut)
                ? move with { After = move.Before | FlushParked }
                : move,
            new OutputStateModel { Expires = true, Reads = 0 });

    [Fact]
    public void A_flush_that_does_not_take_its_outcome()
        => Finds(
            "The outcome of a flush is left",
            (name, move) => name == "TakeCancellation" ? Keeping(move, FlushTimedOut) : move,
            new OutputStateModel { Expires = true });

    private static void Finds(string rule, Func<string, OutputMove, OutputMove> bug, OutputStateModel? model = null)
    {
        var planted = (model ?? new OutputStateModel()) with { Bug = bug };

        var exception = Assert.Throws<IllegalStateException>(() => planted.Explore(checksLegality: false));

        Assert.Contains(rule, exception.Message, StringComparison.Ordinal);
    }

    private static OutputMove Keeping(OutputMove move, OutputFlags bits)
        => move with { After = move.After | (move.Before & bits) };

    private static OutputMove Without(OutputMove move, OutputAction action)
        => move with { Action = move.Action & ~action };

    private static bool Has(OutputFlags flags, OutputFlags bits) => (flags & bits) != 0;
}
