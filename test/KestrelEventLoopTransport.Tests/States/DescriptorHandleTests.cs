using KestrelEventLoopTransport.Descriptors;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>Every order in which threads use, stop using and close a descriptor.</summary>
public class DescriptorHandleTests
{
    public static TheoryData<string> Bugs => new(Planted.Keys);

    private static Dictionary<string, Transitions> Planted => new()
    {
        ["a closed descriptor gets a reference"] = Real with { AddReference = word => (word + 1, true) },
        ["a closing descriptor gets a reference"] = Real with
        {
            AddReference = word => word == DescriptorHandle.Closing ? (word, false) : (word + 1, true),
            Close = word => IsClosing(word) ? (word, false) : (word - 1 | DescriptorHandle.Closing, false),
        },
        ["the last reference leaves the descriptor open"] = Real with
        {
            Release = word => (DescriptorHandle.Release(word).Next, false),
        },
        ["the last reference forgets the bit"] = Real with
        {
            Release = word => (word & ~DescriptorHandle.Closing) == 1 ? (0, true) : (word - 1, false),
        },
        ["every release closes"] = Real with { Release = word => (DescriptorHandle.Release(word).Next, true) },
        ["closing does not wait for references"] = Real with { Close = _ => (DescriptorHandle.Closing, true) },
        ["closing twice releases twice"] = Real with
        {
            Close = word => word == DescriptorHandle.Closing
                ? (word, false)
                : DescriptorHandle.Release(word | DescriptorHandle.Closing),
        },
    };

    private static Transitions Real
        => new(DescriptorHandle.AddReference, DescriptorHandle.Release, DescriptorHandle.Close);

    [Fact]
    public void Every_state_takes_every_event_to_a_legal_one()
    {
        foreach (var count in Enumerable.Range(0, 4))
        {
            foreach (var word in new[] { count, count | DescriptorHandle.Closing }.Where(DescriptorHandle.IsLegal))
            {
                var isClosing = IsClosing(word);
                Assert.Equal(isClosing ? (word, false) : (word + 1, true), DescriptorHandle.AddReference(word));
                if (count > 0)
                {
                    var (released, isLast) = DescriptorHandle.Release(word);
                    Assert.True(DescriptorHandle.IsLegal(released));
                    Assert.Equal(count == 1, isLast);
                }

                var (closed, closes) = DescriptorHandle.Close(word);
                Assert.True(DescriptorHandle.IsLegal(closed));
                Assert.True(IsClosing(closed));
                Assert.Equal(!isClosing && count == 1, closes);
            }
        }

        Assert.False(DescriptorHandle.IsLegal(0));
    }

    [Fact]
    public void The_last_reference_closes_the_descriptor()
    {
        var handle = new DescriptorHandle(7, references: 2);

        Assert.True(handle.TryAddReference());
        Assert.False(handle.Release());
        Assert.True(handle.IsShared);
        Assert.False(handle.Release());
        Assert.False(handle.IsShared);
        Assert.True(handle.Release());

        Assert.False(handle.TryAddReference());
        Assert.False(handle.Close());
        Assert.Equal(7, handle.Value);
    }

    [Fact]
    public void A_closed_handle_waits_for_the_references_of_others()
    {
        var handle = new DescriptorHandle(7, references: 1);

        Assert.True(handle.TryAddReference());
        Assert.False(handle.Close());
        Assert.False(handle.Close());
        Assert.False(handle.TryAddReference());
        Assert.True(handle.Release());
    }

    [Fact]
    public void A_descriptor_is_closed_once_and_not_before_the_last_system_call()
    {
        foreach (var explore in Explorations(Real))
        {
            Assert.NotEmpty(explore());
        }
    }

    [Theory]
    [MemberData(nameof(Bugs))]
    public void The_explorer_finds(string bug)
        => Assert.Contains(Explorations(Planted[bug]), IllegalStateException.IsThrownBy);

    private static bool IsClosing(int word) => (word & DescriptorHandle.Closing) != 0;

    /// <summary>
    /// A connection's descriptor (two halves that own a reference each, and a thread that borrows one) and that of a
    /// lingering socket (its own reference, two receives that borrow one, and two threads that close).
    /// </summary>
    private static IEnumerable<Func<IReadOnlyCollection<Model>>> Explorations(Transitions transitions)
    {
        yield return () => Explore(transitions, new(2, Place.Calls, Place.Calls, Place.Borrows, Place.Done));
        yield return () => Explore(transitions, new(1, Place.Ends, Place.Ends, Place.Borrows, Place.Borrows));
    }

    private static IReadOnlyCollection<Model> Explore(Transitions transitions, Model first)
        => new Explorer<Model>()
            .Actor("first", model => Step(transitions, model, model.A, (m, place) => m with { A = place }))
            .Actor("second", model => Step(transitions, model, model.B, (m, place) => m with { B = place }))
            .Actor("third", model => Step(transitions, model, model.C, (m, place) => m with { C = place }))
            .Actor("fourth", model => Step(transitions, model, model.D, (m, place) => m with { D = place }))
            .Always("No system call meets a closed descriptor", model => !model.MetClosed)
            .Always("The descriptor is closed once", model => model.Closes <= 1)
            .Always("The state is legal", model => DescriptorHandle.IsLegal(model.Word))
            .AtTheEnd("The descriptor is closed", model => model is { Closes: 1, Word: DescriptorHandle.Closing })
            .Explore(first);

    private static Model[] Step(Transitions transitions, Model model, Place place, Func<Model, Place, Model> at)
    {
        switch (place)
        {
            case Place.Borrows:
                var (added, isAdded) = transitions.AddReference(model.Word);
                return [at(model with { Word = added }, isAdded ? Place.Calls : Place.Done)];
            case Place.Calls:
                return [at(model with { MetClosed = model.Closes > 0 }, Place.Releases)];
            case Place.Releases:
                var (released, isLast) = transitions.Release(model.Word);
                return [at(model with { Word = released }, isLast ? Place.Closes : Place.Done)];
            case Place.Ends:
                var (closed, closes) = transitions.Close(model.Word);
                return [at(model with { Word = closed }, closes ? Place.Closes : Place.Done)];
            case Place.Closes:
                return [at(model with { Closes = model.Closes + 1 }, Place.Done)];
            default:
                return [];
        }
    }

    private enum Place
    {
        Done,
        Borrows,
        Calls,
        Releases,
        Ends,
        Closes,
    }

    private readonly record struct Model(
        int Word, Place A, Place B, Place C, Place D, int Closes = 0, bool MetClosed = false);

    private sealed record Transitions(
        Func<int, (int Next, bool IsAdded)> AddReference,
        Func<int, (int Next, bool IsLast)> Release,
        Func<int, (int Next, bool IsLast)> Close);
}
