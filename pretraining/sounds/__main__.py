"""`python -m pretraining.sounds`: train the network of sounds and write it into the package."""

from pretraining.sounds.train import main

if __name__ == "__main__":
    main()
