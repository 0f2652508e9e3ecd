using KestrelEventLoopTransport.Framing.Clients;
using KestrelEventLoopTransport.Tests.States;
using static KestrelEventLoopTransport.Framing.FrameClientState;

namespace KestrelEventLoopTransport.Framing.Tests.States;

/// <summary>The client's task and those who start and stop it, in every order of their atomic steps.</summary>
internal sealed class ClientModel(ClientMoves moves)
{
    internal IReadOnlyCollection<ClientWorld> Explore(int stops = 2)
        => new Explorer<ClientWorld>()
            .Actor("starter", Start)
            .Actor("stopper", Stop)
            .Actor("closer", Close)
            .Actor("task", Run)
            .Always("No promise is broken", static world => world.Broken is null)
            .Always(
                "A client that is connected has a connection",
                static world => world.State != Connected || world.Task == ClientPlace.Open)
            .Always(
                "The connection is there while the client is connected, or its end is near",
                static world => world.State == Connected ? world.IsPublished
                    : !world.IsPublished || world.State == Stopping)
            .Always("Those who wait are told once", static world => world.Completions <= 1)
            .Always(
                "Nothing runs in a client that is stopped",
                static world => world.State != Stopped || world.Task is ClientPlace.None or ClientPlace.Ended)
            .AtTheEnd(
                "A client that was stopped is stopped, and those who wait know",
                world => stops == 0 || (world.State == Stopped && world.Completions == 1))
            .Explore(new ClientWorld { Starts = 2, Stops = stops, Attempts = 3 });

    private IEnumerable<ClientWorld> Start(ClientWorld world)
    {
        if (world.Starts > 0)
        {
            var move = moves.Start(world.State);
            world = world with { Starts = world.Starts - 1, State = move.After };
            yield return move.Action != ClientAction.Run ? world
                : world.Task == ClientPlace.None ? world with { Task = ClientPlace.BeforeConnect }
                : world.Break("A client has one task");
        }
    }

    private IEnumerable<ClientWorld> Stop(ClientWorld world)
    {
        if (world.Stops > 0)
        {
            var move = moves.Stop(world.State);
            world = world with { Stops = world.Stops - 1, State = move.After };
            yield return move.Action switch
            {
                ClientAction.Close => world with { Closers = world.Closers + 1 },
                ClientAction.End => world with { Completions = world.Completions + 1 },
                _ => world,
            };
        }
    }

    private static IEnumerable<ClientWorld> Close(ClientWorld world)
    {
        if (world.Closers > 0)
        {
            var closed = world with { Closers = world.Closers - 1, IsCancelled = true };
            yield return world.IsCancelled ? closed.Break("OnStopping is called once") : closed;
        }
    }

    private IEnumerable<ClientWorld> Run(ClientWorld world)
    {
        switch (world.Task)
        {
            case ClientPlace.BeforeConnect or ClientPlace.Waiting or ClientPlace.Dialing when world.IsCancelled:
                yield return world with { Task = ClientPlace.Ending };
                break;
            case ClientPlace.BeforeConnect or ClientPlace.Waiting:
                yield return world with { State = moves.Connect(world.State).After, Task = ClientPlace.Dialing };
                break;
            case ClientPlace.Dialing when world.Attempts > 0:
                var tried = world with { Attempts = world.Attempts - 1 };
                var open = moves.Open(world.State);
                yield return tried with { State = moves.Lose(world.State).After, Task = ClientPlace.Waiting };
                yield return tried with
                {
                    State = open.After,
                    Task = ClientPlace.Open,
                    IsPublished = open.Action == ClientAction.Publish,
                };
                break;
            case ClientPlace.Open:
                // The server ends it, or it is closed because the client stops.
                yield return world with
                {
                    State = moves.Lose(world.State).After,
                    Task = world.IsCancelled ? ClientPlace.Ending : ClientPlace.Waiting,
                    IsPublished = false,
                };
                break;
            case ClientPlace.Ending:
                var end = moves.End(world.State);
                yield return world with
                {
                    State = end.After,
                    Task = ClientPlace.Ended,
                    Completions = world.Completions + (end.Action == ClientAction.End ? 1 : 0),
                };
                break;
        }
    }
}
